# A server of one model:
#   docker build -t keras-vit .
#   docker run --rm -p 8501:8501 -v "$PWD/savedmodels:/models:ro" keras-vit --model=/models/NAME
FROM python:3.11-slim

WORKDIR /opt/keras-vit
COPY setup.py pyproject.toml README.md LICENSE constraints.txt keras_vit_command.py ./
COPY keras_vit keras_vit
RUN pip install --no-cache-dir -c constraints.txt '.[serve]' \
    && useradd --create-home --uid 1000 server

USER 1000
WORKDIR /home/server
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/healthz', timeout=5)"]
ENTRYPOINT ["keras-vit", "serve", "--host=0.0.0.0"]
CMD ["--help"]
