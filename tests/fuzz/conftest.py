"""A profile that looks for new examples each time."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # the targets serve another fuzzer as well
settings.register_profile("fuzz", deadline=None, max_examples=500, print_blob=True)
