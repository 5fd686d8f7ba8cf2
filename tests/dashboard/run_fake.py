"""Serve the dashboard over the fake service, to look at pages."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from fakes import FakeService

from dashboard.server import serve
from jobs.settings import Settings

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 7861
    home = Path(tempfile.mkdtemp())
    shown = [] if "--empty" in sys.argv else None
    serve(Settings(home=home), port=port, service=FakeService(shown), on_ready=print)  # pyright: ignore[reportArgumentType]
