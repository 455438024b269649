# A real Kubernetes of two nodes on this machine (root, Debian): see tests/cluster/README.md.
LOCAL_CLUSTER := PYTHONPATH=tests/cluster $(or $(PYTHON),python3) -m local_cluster
.PHONY: cluster-up cluster-down

cluster-up: ## A local Kubernetes of two nodes for the cluster tests; needs root
	$(LOCAL_CLUSTER) up

cluster-down: ## Stop it and remove all it made
	$(LOCAL_CLUSTER) down
