# One image with the wheel, our dist folder and the programs that time both.
# Named contexts: builder (ours), root (Debian with python3), wheel (installed by pip), dist.
FROM builder AS programs
# TRIPLET GNU triplet
ARG TRIPLET
RUN --network=none \
    --mount=type=bind,target=/bench-source \
    --mount=type=bind,from=dist,target=/dist \
    bash /bench-source/build-programs.sh

FROM root
# hadolint ignore=DL3022
COPY --from=dist /lib /dist/lib
# hadolint ignore=DL3022
COPY --from=wheel / /wheel
COPY --from=programs /bench /bench
COPY bench_wheel.py busy.py rounds.py /bench/
ENV PYTHONPATH=/wheel PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=2
ENTRYPOINT ["python3", "/bench/rounds.py"]
