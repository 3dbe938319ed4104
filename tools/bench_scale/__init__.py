"""A cluster of 1,000 nodes without machines, and what podferry's controller costs on it.

etcd, kube-apiserver and the controller are real; KWOK plays the kubelets and one process plays all
agents. Everything lives in namespaces that end with the tool, however that ends.
"""
