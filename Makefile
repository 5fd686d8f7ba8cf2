# Two commands: `make demo` and `make test`. Both make .venv when it is missing or out of date.
#   TORCH_INDEX=URL  take torch from that index, for example a CPU build (much smaller)
#   PYTHON=NAME      use this interpreter (3.11 or newer)
#   ARGS="..."       options for `digpt demo`, such as ARGS="--port 8000"
.PHONY: demo test check format constraints
export TORCH_INDEX PYTHON

demo:
	@scripts/setup
	@exec .venv/bin/digpt demo $(ARGS)

test:
	@scripts/setup --dev
	@scripts/chromium
	@scripts/check --all

check: # the quick part of `make test`
	@scripts/setup --dev
	@scripts/check

format:
	@scripts/setup --dev
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

constraints: # exact versions anew, from what pyproject.toml allows
	@scripts/setup --dev
	@.venv/bin/python scripts/constraints.py
