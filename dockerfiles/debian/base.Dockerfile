# A Debian root filesystem that mmdebstrap made on the host. The context is the folder that holds it.
FROM scratch
ADD rootfs.tar /
