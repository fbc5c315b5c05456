// The kernels as a Python module.
#include "kernels.h"

#include <torch/csrc/utils/pybind.h>

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("depthwise", &depthwise);
  module.def("depthwise_backward", &depthwise_backward);
  module.def("pointwise", &pointwise);
  module.def("pointwise_weight_gradient", &pointwise_weight_gradient);
  module.def("heatmap_loss", &heatmap_loss);
  module.def("norm", &norm);
  module.def("norm_backward", &norm_backward);
}
