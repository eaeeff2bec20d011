# The human's door: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
CACHE ?= $(HOME)/.cache/wa-cluster
export CACHE

.PHONY: help install check generate format simulator test images bench clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

node_modules/.package-lock.json: package.json package-lock.json $(wildcard */package.json crds/schema/package.json)
	@tools/require.sh npm git
	@echo "installing packages, Node 24 among them (half a minute)" >&2
	@npm ci --no-audit --no-fund --loglevel=error
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

images: install ## build the container images with Docker, no registry
	@manifests/cluster/images.sh

bench: install ## figures: medians of many runs, never a verdict
	@node --conditions=source tools/bench.ts

clean: ## remove what builds and tests left in this folder
	@rm -rf .cache node_modules */dist crds/schema/dist
