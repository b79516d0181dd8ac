# syntax=docker/dockerfile:1
# `e5v serve` (docs/guides/serve.md), for CPUs and for NVIDIA's GPUs:
#
#   docker build -t e5v:cpu .
#   docker build -t e5v:cuda --target cuda .

FROM python:3.11.13-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HF_HOME=/models/huggingface \
    E5V_CACHE=/models/e5v
RUN groupadd --gid 10001 e5v \
    && useradd --uid 10001 --gid e5v --create-home e5v \
    && install -d -o e5v -g e5v /models
WORKDIR /opt/e5v
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src ./src
VOLUME /models
EXPOSE 8000
# A model may be downloaded first, and opened; only then is the server ready.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["e5v"]
CMD ["serve", "--host", "0.0.0.0"]

FROM base AS cuda
RUN pip install --constraint constraints.txt '.[serve]'
USER 10001:10001

FROM base AS cpu
RUN pip install --constraint constraints.txt --index-url https://download.pytorch.org/whl/cpu torch \
    && pip install --constraint constraints.txt '.[serve]'
USER 10001:10001
