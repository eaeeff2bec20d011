# A SOCKS5 or HTTP proxy with a user and a password, for demos and tests.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends microsocks tinyproxy-bin \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 # microsocks tries a name's first address alone: IPv4, on which more servers listen.
 && echo 'precedence ::ffff:0:0/96 100' > /etc/gai.conf
COPY proxy.sh /usr/local/bin/start-proxy
USER 1000:1000
EXPOSE 1080 8080
# Process 1 gets no signal that it did not ask for.
STOPSIGNAL SIGKILL
ENTRYPOINT ["/usr/local/bin/start-proxy"]
