# Two commands matter: `make demo` (see it work) and `make test` (prove it). Everything happens in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check format docs reproduce bench reliability clean

demo: $(STAMP)
	$(BIN)/hyperdnn demo

# One thread for each worker: more would only compete for the same cores.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow and not gpu" --jaxtyping-packages=hyperdnn,beartype.beartype

check: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The pages, with one for each recipe: build/docs/index.html.
docs: $(STAMP)
	$(BIN)/sphinx-build -W --keep-going -q docs build/docs

# Measures every published claim again: hours.
reproduce: $(STAMP)
	$(BIN)/hyperdnn reproduce --all
	$(BIN)/pytest -m slow

# Times hyperdnn beside other libraries, which get an environment of their own, and against the size of the problem.
# HYPERDNN_BENCH names the folder of the comparison's runner. Half an hour, on a machine with nothing else to do.
bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Kills training runs and resumes them, feeds bad input to whatever reads input, watches memory over thousands of steps, and
# trains with twenty seeds: half an hour. The numbers go into docs/reliability.md.
RELIABILITY := OMP_NUM_THREADS=1 $(BIN)/python tests/reliability
reliability: $(STAMP)
	$(RELIABILITY)/kill.py --kills 100 --write docs/reliability.md
	$(RELIABILITY)/fuzz.py --inputs 10500 --write docs/reliability.md
	$(RELIABILITY)/soak.py --steps 10000 --write docs/reliability.md
	$(RELIABILITY)/seeds.py --seeds 20 --write docs/reliability.md

clean:
	rm -rf $(VENV) benchmarks/.peers build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The constraint keeps pip from fetching another build of torch.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	touch $@
