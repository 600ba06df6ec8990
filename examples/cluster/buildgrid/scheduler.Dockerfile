# BuildGrid and PostgreSQL. Of the packages of Python each version and hash stands in requirements.txt.
FROM debian:trixie
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /
RUN python3 -m venv /opt/buildgrid \
    && /opt/buildgrid/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /requirements.txt
ENV PATH=/opt/buildgrid/bin:$PATH
