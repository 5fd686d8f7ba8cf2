# Dashboard, supervisor and Ray in one container that runs as any user. `docker run` line: see README.md.
FROM python:3.11-slim-bookworm

# A font, for Japanese, and what lays out PDF reports; the distribution's own versions will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-noto-cjk \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
    && rm -rf /var/lib/apt/lists/*

# torch first and alone: the largest layer stays while only our code changes. Built for CUDA, and
# runs without a GPU; a CPU build: --build-arg TORCH_INDEX=URL
WORKDIR /app
ARG TORCH_INDEX=""
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch torchvision

COPY pyproject.toml README.md LICENSE ./
COPY digpt digpt
COPY jobs jobs
COPY dashboard dashboard
COPY examples examples
RUN pip install --no-cache-dir --constraint constraints.txt .

# Everything that is written lies in /data, whichever user runs the container (the sticky bit, as in
# /tmp). A name for that user, since one who is in no passwd file has none.
RUN mkdir /data && chmod 1777 /data
ENV HOME=/data DIGPT_HOME=/data USER=digpt LOGNAME=digpt PYTHONUNBUFFERED=1
VOLUME /data
WORKDIR /data
USER 1000:0

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
ENTRYPOINT ["digpt"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7860"]
