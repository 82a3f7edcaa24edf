"""Settings of an experiment: frozen dataclasses, in and out of YAML, changed by dotted name; and the seed.

`from_mapping` and `to_mapping` translate, `read_yaml` and `write_yaml` do so with files. `override` and
`override_from_text` change settings by dotted name; `setting_names` lists these, and `flatten` puts a mapping under
them. `check_least` and `check_seed` hold numbers to their bounds. `seed_everything` seeds every random generator.
"""

from hyperdnn.lab.config._dataclass import flatten, from_mapping, override, setting_names, to_mapping
from hyperdnn.lab.config._least import check_least
from hyperdnn.lab.config._seed import check_seed, seed_everything
from hyperdnn.lab.config._yaml import override_from_text, read_yaml, write_yaml

__all__ = [
    "from_mapping",
    "to_mapping",
    "flatten",
    "read_yaml",
    "write_yaml",
    "override",
    "override_from_text",
    "setting_names",
    "check_least",
    "check_seed",
    "seed_everything",
]
