"""Builds once and caches what the lab runs from: root trees, package repository, container images, Python packages."""
