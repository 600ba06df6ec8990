# What people write: a slim base, pip install, copy, run. The base is the named context slim, a Debian minbase with
# python3 and pip; pip finds its wheels in the named context wheels, as it would in an index.

FROM slim AS usual
# REQUIREMENTS words for pip install
ARG REQUIREMENTS
# People write it without versions; the wheels that lie there are the locked ones.
# hadolint ignore=SC2086,DL3013
RUN --network=none --mount=type=bind,from=wheels,target=/wheels \
    pip install --break-system-packages --no-cache-dir --no-index --find-links /wheels $REQUIREMENTS
# hadolint ignore=DL3022
COPY --from=app / /app
# hadolint ignore=DL3022
COPY --from=models / /models
WORKDIR /app
ENV MODEL_FILE=/models/model.keras
CMD ["python3", "predict.py"]

# Nothing is installed before the container starts; the wheels are mounted as /wheels.
FROM slim AS late
ARG REQUIREMENTS
# hadolint ignore=DL3022
COPY --from=app / /app
# hadolint ignore=DL3022
COPY --from=models / /models
WORKDIR /app
ENV MODEL_FILE=/models/model.keras REQUIREMENTS=$REQUIREMENTS
CMD ["sh", "-c", "pip install --break-system-packages --no-cache-dir --quiet --no-index --find-links /wheels $REQUIREMENTS && python3 predict.py"]
