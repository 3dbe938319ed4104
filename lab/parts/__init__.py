"""What a lab is made of: Kubernetes, containerd, runc, CNI plug-ins, a Debian root and images.

Owns building each of them from pinned sources into a cache outside the checkout. Never starts any
of them and never changes the machine, except for `install_host_tools`, which adds what is missing.
"""

from podferry.lab.parts.build import Parts, ensure
from podferry.lab.parts.debian import install_host_tools
from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.machine import check_machine
from podferry.lab.parts.store import cache_dir

__all__ = ["Parts", "PartsError", "cache_dir", "check_machine", "ensure", "install_host_tools"]
