"""`python -m balise`, the same as the balise command."""

import sys

from balise.cli import main

sys.exit(main())
