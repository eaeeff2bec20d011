# The human's door: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
CACHE ?= $(HOME)/.cache/wa-cluster
export CACHE

.PHONY: help install check generate format test first-run bench images demo demo-down clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

node_modules/.package-lock.json: package.json package-lock.json $(wildcard */package.json crds/schema/package.json)
	@tools/install.sh
	@touch $@

install: node_modules/.package-lock.json ## install packages, Node 24 among them

check: install ## types, lint, format, layers, dead code, generated files: under 20 s
	@tools/check.sh

generate: install ## write CRDs and reference docs from the schemas
	@node --conditions=source tools/generate.ts

format: install ## format the sources
	@oxfmt .

test: install ## every test there is; ends with "N passed, N failed"
	@tools/test.sh

first-run: install ## README's commands on a fresh machine inside of this one, an hour (FIRST_RUN=demo|both ENGINE=no|yes)
	@tools/first-run.sh

bench: install ## measure docs/benchmarks.md anew, 15 minutes (ONLY=name: one part)
	@bench/compile.sh
	@node --conditions=source --disable-warning=ExperimentalWarning bench/main.ts $(ONLY)

demo: install ## the main job on a cluster of this machine
	@manifests/cluster/demo.sh up

demo-down: ## remove all that make demo made
	@manifests/cluster/demo.sh down

images: install ## build the container images with Docker, no registry
	@manifests/cluster/images.sh

clean: ## remove what builds and tests left in this folder
	@rm -rf .cache node_modules */dist crds/schema/dist
