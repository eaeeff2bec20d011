#!/bin/bash
# Ends the Docker engine that start-docker.sh started, unless containers run in it. Its images stay.
here=$(cd "$(dirname "$0")" && pwd); . "$here/engine.sh"
engine_end
