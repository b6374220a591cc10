"""As kill.py, with PostgreSQL as the store: its postmaster and its backends are killed too.

usage: python3 tests/e2e/kill_postgres.py build/release/nexus [options of kill.py]
"""
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kill

if __name__ == "__main__":
    sys.argv += ["--database", "postgresql"]
    kill.main()
