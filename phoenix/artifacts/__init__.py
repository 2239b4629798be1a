"""Pinned programs that Debian does not package, obtained once by the controller and pushed to guests."""
