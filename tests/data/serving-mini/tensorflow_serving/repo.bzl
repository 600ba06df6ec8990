"""The rule that fetches TensorFlow; upstream's has the same name and attributes."""

def _tensorflow_http_archive_impl(ctx):
    # Nothing is at this address: the archive comes from a folder that is searched by hash.
    url = "https://tensorflow.invalid/archive/tensorflow-%s.tar" % ctx.attr.git_commit
    ctx.report_progress("fetching " + url)
    ctx.download_and_extract(
        url,
        sha256 = ctx.attr.sha256,
        stripPrefix = "tensorflow-mini",
    )

tensorflow_http_archive = repository_rule(
    implementation = _tensorflow_http_archive_impl,
    attrs = {
        "git_commit": attr.string(mandatory = True),
        "sha256": attr.string(mandatory = True),
    },
)
