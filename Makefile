# Everyday words; each sets up the virtual environment by itself.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
# A process a core, each of one thread: torch's threads would wait for one another.
PYTEST = OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses auto

.PHONY: install train test test-all lint format docs

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed: make PYTHON=python3.11 ...' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --editable '.[test,docs]'
	touch $@

train: install
	$(RUN) train.py baseline=nlm

test: install
	$(PYTEST) -m 'not slow and not gpu'

test-all: install
	$(PYTEST)

lint: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m deptry denoise

format: install
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docs: install
	$(RUN) -m sphinx -W --keep-going --quiet -b html docs docs/_build/html
