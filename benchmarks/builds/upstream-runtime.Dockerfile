# The recipe of upstream's runtime image (tensorflow_serving/tools/docker/Dockerfile): a distribution with
# ca-certificates, the server, a script that starts it by bash, as root. Named contexts: server, and base in the place
# of ubuntu, which a registry would have to give.
FROM base
COPY --from=server tensorflow_model_server /usr/bin/tensorflow_model_server
COPY upstream-runtime.sh /usr/bin/tf_serving_entrypoint.sh
RUN --network=none mkdir -p /models
ENV MODEL_BASE_PATH=/models MODEL_NAME=model
EXPOSE 8500 8501
ENTRYPOINT ["/bin/bash", "/usr/bin/tf_serving_entrypoint.sh"]
