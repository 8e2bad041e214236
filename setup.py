"""List the packages of the wheel. Everything else about the distribution is in pyproject.toml.

The checkout holds the configuration in `conf/` and the base policy in `data/nano_base/`. The wheel holds them
inside the package, as `corpo/conf/` and `corpo/assets/nano_base/`, because no checkout lies beside an
installation.
"""

from setuptools import find_packages, setup

INSIDE_THE_PACKAGE = {"corpo.conf": "conf", "corpo.assets.nano_base": "data/nano_base"}

setup(
    packages=[*find_packages(include=["corpo", "corpo.*"]), *INSIDE_THE_PACKAGE],
    package_dir=INSIDE_THE_PACKAGE,
    package_data={
        "corpo": ["py.typed"],
        "corpo.report": ["templates/*"],
        "corpo.conf": ["*.yaml", "*/*.yaml", "*/*/*.yaml"],
        "corpo.assets.nano_base": ["*"],
    },
    include_package_data=False,
)
