# One of our programs. No shell starts it, so that Node itself gets SIGTERM.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY node messages /usr/local/bin/
COPY packages/ /app/
COPY app/ /app/
ARG MAIN
RUN ln -s "$MAIN" /app/main.js
# A small young generation and few arenas: a process that mostly waits would keep for ever what a burst needed.
ENV NODE_ENV=production NODE_OPTIONS=--max-semi-space-size=2 MALLOC_ARENA_MAX=2
WORKDIR /app
USER 1000:1000
ENTRYPOINT ["/usr/local/bin/node", "/app/main.js"]
