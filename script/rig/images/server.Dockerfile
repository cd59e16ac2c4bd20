# What builds and tests find on the network: a static web server for the gems and the Rubies, and Redis for job queues.
ARG BASE
FROM $BASE
USER root
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y nginx-light redis-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
COPY nginx.conf /etc/nginx/nginx.conf
CMD ["nginx"]
