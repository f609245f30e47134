"""What an instructor runs: the students' versions, and grading."""

import sys

# jsonschema, which nbformat brings, would build a grammar of addresses at each start, for over a second.
sys.modules.setdefault("rfc3987_syntax", None)
