// Upstream's HTTP server of this miniature wants it; what is linked with a wheel overrides no repository.
#define BOOST_VERSION_OF_THE_OVERRIDE 1
