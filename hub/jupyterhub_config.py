"""What a hub for this series sets, whatever it runs on. The Littlest JupyterHub reads a copy of it from
/opt/tljh/config/jupyterhub_config.d/; any other JupyterHub takes it with `load_subconfig`."""

c = get_config()  # noqa: F821

c.Spawner.environment.update(
    {
        "CIFAR10_SHARED": "/srv/cifar-10",  # one copy of the data for all, memory-mapped
        # As many threads as cpu_limit below: a kernel sees all cores of the machine, and would start a thread for each.
        "OPENBLAS_NUM_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "2",
    }
)
c.Spawner.default_url = "/lab"
c.Spawner.mem_limit = "1.5G"  # above what any notebook of the series needs; see docs/measurements/hub.md
c.Spawner.cpu_limit = 2

# A whole class logs in within a minute or two: start a few servers at a time, and let the others wait for their turn.
c.JupyterHub.concurrent_spawn_limit = 20
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300
