# The words people expect: run, test, lint, bench. Each first makes .venv and installs what is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Shared libraries that OpenCV and Qt load, gcc to link compiled networks, and Python's own venv: Debian's names.
SYSTEM_PACKAGES := gcc libc6-dev python3-venv libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0 \
	libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 \
	libxcb-render-util0 libxcb-shape0 libxcb-xkb1

.PHONY: run test lint types bench train system clean
.DEFAULT_GOAL := run

run: $(VENV)/.run
	$(BIN)/python main.py $(ARGS)

# All tests run in a process for each core, up to four. ARGS take the place of that: what they name runs in one process, where
# pytest can say what is wrong with a name, and --pdb can ask.
test: ARGS ?= -n logical --maxprocesses 4 --dist worksteal
test: $(VENV)/.dev
	QT_QPA_PLATFORM=offscreen $(BIN)/python $(COVER) -m pytest $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python main.py bench --size xs,s --engines tvm,onnxruntime,openvino $(ARGS)

train: $(VENV)/.dev
	$(BIN)/python main.py train $(ARGS)

# Debian and Ubuntu: as root what is missing is installed, as anybody else the line to type is printed. Elsewhere Qt and
# OpenCV bring what they need, or say what they miss.
system:
	@command -v dpkg >/dev/null 2>&1 || exit 0; \
	missing=""; \
	for package in $(SYSTEM_PACKAGES); do \
		dpkg -s $$package $${package}t64 2>/dev/null | grep -q '^Status: install ok installed' || missing="$$missing $$package"; \
	done; \
	case " $$missing " in *" python3-venv "*) $(PYTHON) -c 'import ensurepip' 2>/dev/null && missing=$$(echo " $$missing " | sed 's/ python3-venv / /');; esac; \
	case " $$missing " in *" gcc "*|*" libc6-dev "*) command -v cc >/dev/null 2>&1 && missing=$$(echo " $$missing " | sed 's/ gcc / /; s/ libc6-dev / /');; esac; \
	missing=$$(echo $$missing); \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
		echo "Installing system packages: $$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
		echo "Some system packages are missing. If the program does not start, type:"; \
		echo "    sudo apt install $$missing"; \
	fi

$(BIN)/python: | system
	$(PYTHON) -m venv $(VENV)

# PyTorch's own index has the CPU build, a tenth of the size; where it cannot be reached, the default build does as well.
$(VENV)/.run: requirements.txt | $(BIN)/python
	$(BIN)/python -c 'import torch' 2>/dev/null \
		|| $(PIP) torch==2.13.0 --retries 1 --timeout 15 --index-url https://download.pytorch.org/whl/cpu 2>/dev/null \
		|| $(PIP) torch==2.13.0
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.run
	$(PIP) -r requirements-bench.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
