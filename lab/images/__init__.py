"""Everything that is built once and cached: the lab's image, its container images, the API server's packages."""
