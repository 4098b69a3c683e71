# Everything starts from `make` and a Python: uv comes into .tools/ where the PATH has none, the rest into .venv/.

PYTHON ?= python3
UV_VERSION := 0.13.9

# Any command that reads the settings tells whether this uv is new enough for pyproject.toml.
uv := $(if $(shell uv cache dir 2>/dev/null),uv,.tools/bin/uv)
examples := examples/package-lock.json
manifests := uv.lock .python-version $(wildcard pyproject.toml */pyproject.toml services/*/pyproject.toml)

export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV
# A suite starts some hundred processes; each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check lint-migrations audit sbom compose-secrets compose-test faults bench screenshots format docs clean

help: ## print these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s%s\n", $$1, $$2 }' Makefile

run: .venv/.run ## start the whole desk on this machine: NATS, PostgreSQL and the four services
	@exec .venv/bin/python -m services

# One for each core, each with servers of its own: more would wait for one another longer than for a disk or a clock; who is given one server shares it with nobody.
test: .venv/.complete ## run the suite, but for what `make faults` does
	@.venv/bin/python -m pytest -m "not rehearsal" $(if $(COUNTERFOIL_TEST_NATS_URL)$(COUNTERFOIL_TEST_POSTGRES_URL),,--numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder)

check: .venv/.complete ## the one gate: format, lint, types, imports, then the suite
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	@$(MAKE) --no-print-directory test

lint-migrations: .venv/.complete ## look whether migrations would stop or break the code that runs beside them
	@.venv/bin/python -m pytest tests/chassis/test_migrations.py

audit: | $(filter .tools/%,$(uv)) ## look for known vulnerabilities in all that is locked; 3: nobody could be asked, 1: some were found
	@UV_PROJECT_ENVIRONMENT=.tools/audit $(uv) sync --quiet --frozen --only-group audit
	@$(uv) export --quiet --frozen --all-packages --all-extras --no-emit-workspace --no-annotate --no-header > .tools/locked.txt
	@.tools/audit/bin/python deploy/audit.py .tools/locked.txt

sbom: .venv/.complete ## write what each image holds, as CycloneDX, into dist/sbom/; Debian's packages too where an engine has the images
	@mkdir -p dist/sbom
	@set -e; for image in tickets activity notifications gateway provision proxy; do \
		docker run --rm --pull=never --network=none --entrypoint=dpkg-query $${COMPOSE_PROJECT_NAME:-counterfoil}-$$image --show > dist/sbom/.debian 2>/dev/null || : > dist/sbom/.debian; \
		test $$image = proxy && : > dist/sbom/.half || \
			$(uv) export --quiet --frozen --no-dev --format cyclonedx1.5 --package $$(test $$image = provision && echo chassis || echo $$image) \
				> dist/sbom/.half 2>/dev/null; \
		.venv/bin/python deploy/sbom.py $$image dist/sbom/.debian < dist/sbom/.half > dist/sbom/$$image.cdx.json; \
	done; rm dist/sbom/.half dist/sbom/.debian

compose-secrets: ## draw what docker-compose.yml keeps secret, into var/compose/
	@"$(PYTHON)" deploy/make_secrets.py

compose-test: .venv/.complete ## build the images and try docker-compose.yml on the Docker engine that answers
	@COUNTERFOIL_TEST_COMPOSE=1 .venv/bin/python -m pytest -m docker tests/compose

format: .venv/.complete ## format the code and mend what the linter can
	.venv/bin/ruff check --fix --exit-zero
	.venv/bin/ruff format

faults: .venv/.complete ## end replicas, servers and clusters, back up and restore, kill during 3,000 commands, send 20,000 bad messages, try each operation of the API at every edge; PROFILE=short takes minutes
ifeq ($(PROFILE),short)
	@.venv/bin/python -m pytest -m rehearsal --numprocesses=2 --dist=loadfile
else
	@COUNTERFOIL_FAULTS=3000 COUNTERFOIL_FUZZ=20000 COUNTERFOIL_EXAMPLES=10 .venv/bin/python -m pytest tests/faults tests/fuzz tests/openapi --timeout=1800
	@.venv/bin/python -m pytest -m rehearsal --ignore=tests/faults --ignore=tests/fuzz --ignore=tests/openapi
endif

bench: .venv/.complete ## measure a small desk beside full ones, of up to a million tickets; PROFILE=short takes under 3 minutes
	@.venv/bin/python -m tests.bench

screenshots: .venv/.complete ## take the pictures in docs/images/ of a fresh first workspace; needs Chromium
	@.venv/bin/python -m tests.screenshots

docs: .venv/.complete ## write what comes from code: docs/messages.md, docs/access.md and docs/configuration.md
	@.venv/bin/python -m contracts docs
	@.venv/bin/python -m tests.access docs
	@.venv/bin/python -m tests.support.configuration

clean: ## remove what make brought and the tools left; the desk's own data in var/ stays
	rm -rf .venv .tools .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv is told which Python to take: one that is here goes before a download, even if it is not the one in
# .python-version; and a uv that looks for itself complains at length of every pyenv shim that leads nowhere.
define sync
@python=$$($(uv) python find --system 2>/dev/null || $(uv) python find --system '>=3.12' 2>/dev/null); \
	echo 'Bringing what is missing into .venv/ …'; $(uv) sync --quiet --frozen --compile-bytecode $${python:+--python "$$python"} $(1) || \
	{ [ "$$python" ] || echo 'No Python 3.12 or newer is on the PATH, and uv could not fetch one: install one.' >&2; exit 1; }
endef

.venv/.complete: $(manifests) $(examples) | $(filter .tools/%,$(uv))
	$(call sync)
	@ln -sf ../../bin/counterfoil .venv/bin/counterfoil
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --prefix examples --ignore-scripts --no-audit --no-fund --silent
	@touch .venv/.run $@

# Inexact, for a desk started after the tests must not lose the test tools.
.venv/.run: $(manifests) | $(filter .tools/%,$(uv))
	$(call sync,--inexact --no-default-groups --group run)
	@ln -sf ../../bin/counterfoil .venv/bin/counterfoil
	@touch $@

# Debian's python3 comes without venv, without pip or without both.
.tools/bin/uv:
	@if "$(PYTHON)" -m venv --clear .tools >/dev/null 2>&1; then \
		set -- .tools/bin/python -m pip install; \
	elif "$(PYTHON)" -m pip --version >/dev/null 2>&1; then \
		set -- "$(PYTHON)" -m pip install --target .tools; \
	else \
		echo 'There is no uv on the PATH, and neither `$(PYTHON) -m venv` nor `$(PYTHON) -m pip` works to bring it.' >&2; \
		exit 1; \
	fi; \
	PIP_ROOT_USER_ACTION=ignore "$$@" --quiet --disable-pip-version-check uv==$(UV_VERSION)
