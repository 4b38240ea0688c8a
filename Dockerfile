# docker build -t layermix-gen . && docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" layermix-gen build train shards
FROM python:3.12-slim
ARG EXTRAS=arrow,demo,http,plots,s3
COPY . /src
RUN pip install --no-cache-dir "/src[$EXTRAS]" && rm -r /src && install -d -m 1777 /var/cache/layermix-gen
ENV LAYERMIX_GEN_CACHE=/var/cache/layermix-gen
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["layermix-gen"]
