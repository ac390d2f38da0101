# `make demo`: from nothing but Python 3.11 to a segmented volume.  `make test`: the whole test suite.
PYTHON ?= python3
VENV ?= .venv
# absolute, so that recipes work from any folder
BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.ready
CONSTRAINTS := constraints.txt
OUT ?= demo

# real data, where it is at hand (see docs/testing.md)
ifneq ($(wildcard ../shared/data),)
export MONAI_UNET_DATA ?= $(abspath ../shared/data)
endif

PYTEST := $(BIN)/python -m pytest
# a window system for the tests that need one; without Xvfb these tests skip and say so
XVFB := $(shell command -v xvfb-run 2>/dev/null)
ifneq ($(XVFB),)
PYTEST := QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" $(PYTEST)
endif

.PHONY: demo test test-slow lint family family-smoke memory clean system-packages

demo: $(READY)
	$(BIN)/monai-unet demo --output $(OUT)

# the tests themselves have no network (tests/conftest.py): the public volumes that some read are fetched before
test: system-packages $(VENV)/.ready-dev
	$(BIN)/python tests/fetched.py
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory pytest

# the plugin's tests in a process of their own: two windows on one display take the keyboard from each other, and Qt shares
# no process with the rest; a dead worker ends the run
FAST := -m "not slow" -p no:cacheprovider
WORKERS := 2
.PHONY: pytest
pytest:
	$(PYTEST) $(FAST) $(WARNINGS) -n $(WORKERS) --dist loadfile --max-worker-restart 0 --ignore tests/napari_plugin
	$(PYTEST) $(FAST) $(WARNINGS) tests/napari_plugin

test-slow: $(VENV)/.ready-dev
	$(PYTEST) -m slow -p no:cacheprovider

# the oldest versions that setup.cfg allows, the newest, and those before their release, each in an environment of its own;
# TORCH=2.13.0 where the index has a build of torch for CPUs in that version alone; old versions warn of what is gone by now
.PHONY: test-oldest test-newest test-pre
test-oldest test-newest test-pre: test-%: system-packages
	$(PYTHON) tools/versions.py $* .venv-$* --torch "$(TORCH)"
	.venv-$*/bin/python tests/fetched.py
	$(MAKE) --no-print-directory pytest VENV=.venv-$* $(if $(filter oldest,$*),WARNINGS="-o filterwarnings=")

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch first and alone: a machine that has a CPU build at hand takes that one and not gigabytes of CUDA packages
$(READY): setup.cfg pyproject.toml $(CONSTRAINTS)
	$(PYTHON) tools/system_packages.py python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) torch
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable ".[openvino]"
	touch $@

$(VENV)/.ready-dev: $(READY)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable ".[napari,openvino,cluster,dev]"
	touch $@

system-packages:
	$(PYTHON) tools/system_packages.py test

# trains each network of the family under one budget; resumes from what its results file holds
family: $(READY)
	$(BIN)/python benchmarks/family.py --dataset_dir $(MONAI_UNET_DATA)/Task04_Hippocampus

family-smoke: $(READY)
	$(BIN)/python benchmarks/family.py --smoke

memory: $(READY)
	$(BIN)/python benchmarks/memory.py

clean:
	rm -rf $(VENV) build dist *.egg-info runs $(OUT)
