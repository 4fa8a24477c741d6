# What a packager does: install, use what was installed, uninstall.

TESTS += test/packaging/install_tree.sh

test/packaging/install_tree.sh: | all
