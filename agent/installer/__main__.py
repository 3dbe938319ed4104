"""`python -m podferry.agent.installer`, for nodes and images without the command line."""

import sys

from podferry.agent.installer import main

sys.exit(main())
