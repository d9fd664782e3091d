"""Contact sheets: the layer atlas, sweeps over parameters, and the sheet of presets."""
