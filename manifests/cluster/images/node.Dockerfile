# One of our programs. No shell starts it, so that Node itself gets SIGTERM.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY node messages /usr/local/bin/
COPY packages/ /app/
COPY app/ /app/
ARG MAIN
RUN ln -s "$MAIN" /app/main.js
ENV NODE_ENV=production
WORKDIR /app
USER 1000:1000
ENTRYPOINT ["/usr/local/bin/node", "/app/main.js"]
