"""The API server and its endpoints; every request passes ``server``."""
