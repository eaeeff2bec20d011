# PostgreSQL 15 of Debian for the chart's own database; runs without root and with a read-only root file system.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN groupadd -g 5432 postgres && useradd -u 5432 -g postgres -d /var/lib/postgresql postgres \
 && mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 # Compiling queries at run time pays for none of ours, and is half of the image.
 && rm -rf /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit* /usr/lib/*/libLLVM-* /usr/lib/*/libz3.so*
COPY postgresql.sh /usr/local/bin/start-postgresql
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8
USER 5432:5432
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/start-postgresql"]
