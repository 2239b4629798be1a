"""stub"""
def obtain(places, image, say):
    p = places.cache/'registry'/'none'
    p.mkdir(parents=True, exist_ok=True)
    return p
