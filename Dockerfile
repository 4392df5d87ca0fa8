# docker build --tag voice-server .
FROM python:3.11-slim

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY voice_server voice_server
RUN pip install --no-cache-dir '.[local]'
COPY scripts/container scripts/needed_models.py scripts/

RUN useradd --system --uid 10001 --create-home voice \
    && install --directory --owner voice --group voice /data /models
ENV PYTHONUNBUFFERED=1 VOICE_SERVER_DATA_DIR=/data VOICE_SERVER_MODELS_DIR=/models VOICE_SERVER_LOG_FORMAT=json
USER voice
VOLUME ["/data", "/models"]
EXPOSE 6789 8080

# The first start fetches more than a gigabyte of weights into the volume, hence the long grace.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15m \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('VOICE_SERVER_REST_PORT', '8080') + '/api/health', timeout=4)"]

# The server refuses to be reached from other machines without a key, so a container is started with
# VOICE_SERVER_API_KEYS=..., or with VOICE_SERVER_INSECURE=true where the published port is 127.0.0.1's.
ENTRYPOINT ["/app/scripts/container"]
CMD ["voice-server", "serve", "--host", "0.0.0.0"]
