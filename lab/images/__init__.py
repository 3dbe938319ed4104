"""Container images without Docker: the lab's own two, and podferry's.

Owns how an image archive is written. Never loads an image into a cluster.
"""

from podferry.lab.images.archive import archive_digest, write_docker_archive
from podferry.lab.images.podferry_image import build_podferry_image

__all__ = ["archive_digest", "build_podferry_image", "write_docker_archive"]
