# The targets of the project. Each does its own set-up: all it takes is Python 3.11 to 3.13 with venv.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
COURSEWORK_BIN := $(subst .venv,.venv-coursework,$(BIN))
SITE_BIN := $(subst .venv,.venv-site,$(BIN))
UV := $(BIN)/python -m uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
      --python-version 3.11 --custom-compile-command "make lock" $(UPGRADE)
ONLY ?=
STUDENTS ?=
SUBMISSIONS ?=
STUDENT ?=
ASSIGNMENT ?=
QUESTION ?=
OUT ?=
COLAB_PYTHON ?= python3.13
.DEFAULT_GOAL := help

help:           ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

LAB := $(BIN)/jupyter lab --KernelManager.transport_encryption=auto $(if $(filter 0,$(shell id -u)),--allow-root)

lab: data       ## open your copy of the series, my-notebooks/, in JupyterLab (ONLY=05 opens notebook 5)
	@open=$$($(BIN)/python -m tools.working_copy $(ONLY)) && \
	  $(LAB) --notebook-dir=my-notebooks --LabApp.default_url="/lab/tree/$$open"

edit: data      ## open the series itself, with its outputs, to change it (ONLY=05 opens notebook 5)
	@open=$$(cd notebooks && ls $(ONLY)*.ipynb | head -1) && [ -n "$$open" ] && \
	  $(LAB) --notebook-dir=notebooks --LabApp.default_url="/lab/tree/$$open"

run: data       ## run all notebooks without a browser, into _build/ (ONLY=07 for one)
	$(BIN)/python -m tools.run_notebooks $(ONLY)

# More workers than cores, since tests wait for servers, browsers and kernels; a second thread of NumPy's in each would
# only spin.
test check settings: export OPENBLAS_NUM_THREADS := 1

test: lint data .venv-coursework/ready ## everything but the environments: see binder, colab and hub
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --nbval notebooks tests --ignore tests/environments

check: tools data ## the fast part of the tests, for daily work
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" tests --ignore tests/environments

settings: data tools ## run every notebook with every setting changed, one at a time (ONLY=05 for one; an hour for all)
	$(BIN)/python -m pytest -n 2 tests/settings.py $(if $(ONLY),-k "$(ONLY)-")

lint: tools     ## look for mistakes and untidiness
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/vulture
	@said=$$($(BIN)/deptry --no-ansi helpers 2>&1) || { echo "$$said"; exit 1; }

bench: tools data ## measure the trainer beside what else a learner would use, and first things (10 minutes on an idle machine)
	$(BIN)/python -m tools.bench

binder: tools data ## build what Binder builds, run all notebooks in it, and write docs/measurements/binder.md (Linux, root)
	$(BIN)/python -m pytest tests/environments/test_binder.py

browser:        ## install Chromium for the browser tests by the system's package manager (Debian, Ubuntu; root)
	command -v chromium || { apt-get update -qq && apt-get install --yes -qq --no-install-recommends chromium fonts-dejavu-core; }

hub: tools .venv-coursework/ready _build/hub/ready _build/hub/graded/ready ## let a class log in to a real JupyterHub here, into docs/measurements/hub.md (STUDENTS=8 for eight; needs npm)
	STUDENTS=$(STUDENTS) $(BIN)/python -m pytest tests/environments/test_hub.py

refresh: tools data ## run the notebooks and keep their outputs (ONLY=07 for one)
	$(BIN)/ruff format notebooks
	$(BIN)/python -m tools.run_notebooks --in-place $(ONLY)

colab: tools _build/colab/ready ## run the series on Google Colab's versions (Python 3.13; COLAB_PYTHON=... says where it is)
	$(BIN)/python -m pytest tests/environments/test_colab.py

coursework: .venv-coursework/ready ## make the students' versions of the assignments, into the course and _build/coursework/
	$(COURSEWORK_BIN)/python -m coursework.generate

GRADE := $(COURSEWORK_BIN)/python -m coursework.grading.grade
ONES = $(foreach one,STUDENT ASSIGNMENT QUESTION,$(if $($(one)),--$(shell echo $(one) | tr A-Z a-z) "$($(one))"))

grade: data .venv-coursework/ready ## grade what is new into nbgrader's gradebook (SUBMISSIONS=folder or zip is taken over first)
	@$(GRADE) $(if $(SUBMISSIONS),--submissions "$(SUBMISSIONS)") $(ONES)

regrade: data .venv-coursework/ready ## grade again (STUDENT=ana, ASSIGNMENT=1_data, QUESTION=a1-q2; all, where none is named)
	@$(GRADE) --again $(ONES)

formgrader: data .venv-coursework/ready ## read written answers and give points, in nbgrader's form
	cd coursework && PYTHONPATH="$(CURDIR)" ../$(subst $(BIN),$(COURSEWORK_BIN),$(LAB)) --LabApp.default_url=/formgrader

export: .venv-coursework/ready ## write the points as CSVs for Canvas and Moodle, into _build/grades/ (OUT=folder)
	@$(GRADE) --export "$(or $(OUT),_build/grades)"

learner: venv   ## commit the series without its outputs to the branch `learner`, which Binder, Colab and hubs open
	$(BIN)/python -m tools.working_copy --branch learner

links: venv     ## write every link and badge anew from the address in pyproject.toml (TO=owner/name changes it)
	$(BIN)/python -m tools.links $(TO)

SPHINX := $(SITE_BIN)/python -m sphinx --conf-dir docs --doctree-dir _build/doctrees --nitpicky --fail-on-warning --fresh-env --quiet

site: .venv-site/ready ## build the series as pages to read, into _build/site/
	rm -rf _build/site
	$(SPHINX) --builder html . _build/site

deadlinks: .venv-site/ready ## ask every address that the pages name whether it still answers
	$(SPHINX) --builder linkcheck . _build/links

lock: tools     ## compile the locks from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(UV) pyproject.toml --output-file requirements/learner.txt
	$(UV) pyproject.toml --extra test --constraint requirements/learner.txt --output-file requirements/test.txt
	$(UV) --group site --constraint requirements/learner.txt --output-file requirements/site.txt
	$(UV) --group coursework --constraint requirements/learner.txt --output-file requirements/coursework.txt
	$(UV) pyproject.toml --extra hub --constraint requirements/learner.txt --output-file requirements/hub.txt

upgrade:        ## compile the locks anew with the newest versions that pyproject.toml admits
	$(MAKE) lock UPGRADE=--upgrade

clean:          ## remove what the targets made (the data stays in its cache)
	rm -rf .venv .venv-coursework .venv-site _build .pytest_cache .ruff_cache *.egg-info

data: venv
	@$(BIN)/python -m helpers.data

venv: .venv/learner
tools: .venv/tools

.venv/learner: requirements/learner.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11, 3.12 or 3.13 is needed; say which: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --require-hashes --requirement requirements/learner.txt
	$(BIN)/pip install --no-deps --no-build-isolation --editable .
	$(BIN)/jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements
	@touch $@

.venv/tools: .venv/learner requirements/test.txt
	$(BIN)/pip install --require-hashes --requirement requirements/test.txt
	@touch $@

.venv-coursework/ready: requirements/coursework.txt
	$(PYTHON) -m venv .venv-coursework
	$(COURSEWORK_BIN)/pip install --require-hashes --requirement requirements/coursework.txt
	@touch $@

.venv-site/ready: requirements/site.txt
	$(PYTHON) -m venv .venv-site
	$(SITE_BIN)/pip install --require-hashes --requirement requirements/site.txt
	@touch $@

# Colab's versions of what the series touches; TensorFlow's own requirements come along.
_build/colab/ready: requirements/colab.txt
	$(COLAB_PYTHON) -m venv --clear _build/colab/env
	_build/colab/env/bin/python -m pip install --requirement requirements/colab.txt
	@touch $@

# The students' environment as hub/Dockerfile makes it, and a proxy for the hub.
_build/hub/ready: hub/install requirements/hub.txt pyproject.toml $(wildcard helpers/*.py helpers/*/*.py)
	$(PYTHON) -m venv _build/hub/env
	npm install --silent --prefix _build/hub/proxy configurable-http-proxy@5
	PATH="$(CURDIR)/_build/hub/env/bin:$$PATH" CIFAR10_SHARED="$(CURDIR)/_build/hub/cifar-10" \
	  hub/install requirements/hub.txt --from "$$($(BIN)/python -c 'from helpers.data import find_data; print(find_data())')"
	@touch $@

# One with nbgrader, for the exchange.
_build/hub/graded/ready: requirements/hub.txt requirements/coursework.txt
	$(PYTHON) -m venv _build/hub/graded
	_build/hub/graded/bin/python -m pip install --require-hashes --requirement requirements/hub.txt --requirement requirements/coursework.txt
	@touch $@

.PHONY: help lab edit learner run test check settings lint bench refresh coursework grade regrade formgrader export binder browser hub colab links site deadlinks lock upgrade clean data venv tools
