"""A real Kubernetes cluster in the namespaces of one machine.

Owns everything between "the parts are on disk" and "kubectl get nodes says Ready", and the way
back to a machine without a trace. Knows nothing of podferry's controller or agent.
"""
