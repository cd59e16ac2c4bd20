# Other supervisors that read a Procfile, to compare with.
ARG BASE
FROM $BASE
USER root
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y ruby-foreman tmux procps perl-base \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*
COPY hivemind overmind /usr/local/bin/
USER 1000:1000
