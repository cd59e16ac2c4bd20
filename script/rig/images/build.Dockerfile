# Where apps are built: the run image, the compilers and the headers of its libraries.
ARG BASE
FROM $BASE
USER root
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y \
      build-essential curl git pkg-config xz-utils \
      libffi-dev libgmp-dev libpq-dev libsqlite3-dev libssl-dev libxml2-dev libxslt1-dev libyaml-dev zlib1g-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*
USER 1000:1000
