// Stands for the repository that upstream clones with its submodules.
#ifndef BOOST_CONFIG_HPP
#define BOOST_CONFIG_HPP

#define BOOST_VERSION_OF_THE_OVERRIDE 107500

#endif  // BOOST_CONFIG_HPP
