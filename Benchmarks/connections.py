def run(chosen): pass
run_cleanup = run
