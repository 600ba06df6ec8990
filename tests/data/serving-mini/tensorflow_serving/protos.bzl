"""C++ code from .proto files with the distribution's protoc and gRPC plugin."""

def cc_protos(name, srcs, services = [], deps = [], visibility = None):
    """A C++ library of messages and services.

    Args:
      name: of the library.
      srcs: .proto files with messages only.
      services: .proto files with services too.
      deps: libraries made by this macro, or filegroups with the sources of such.
      visibility: of the library.
    """
    package = native.package_name()
    messages = [file[:-len(".proto")] for file in srcs + services]
    rpcs = [file[:-len(".proto")] for file in services]
    outs = [base + end for base in messages for end in (".pb.h", ".pb.cc")]
    outs += [base + end for base in rpcs for end in (".grpc.pb.h", ".grpc.pb.cc")]
    roots = " ".join(["-I."] + ["-Iexternal/org_tensorflow" for _ in deps[:1]])
    out = "$(RULEDIR)" if not package else "$(RULEDIR)/" + "/".join([".." for _ in package.split("/")])
    paths = " ".join(["$(execpath %s)" % file for file in srcs + services])
    command = "protoc %s --cpp_out=%s %s" % (roots, out, paths)
    if services:
        plugin = "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out=" + out
        command += " && protoc %s %s %s" % (roots, plugin, " ".join(["$(execpath %s)" % file for file in services]))
    native.genrule(
        name = name + "_gen",
        srcs = srcs + services + [dep + "_files" for dep in deps],
        outs = outs,
        cmd = command,
    )
    native.cc_library(
        name = name,
        srcs = [file for file in outs if file.endswith(".cc")],
        hdrs = [file for file in outs if file.endswith(".h")],
        visibility = visibility,
        deps = deps + ["//third_party:grpc"],
    )
