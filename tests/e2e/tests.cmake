nexus_e2e(chat.py short 180)
nexus_e2e(pages.py short 240)
nexus_e2e(conformance.py short 600)
nexus_e2e(hostile.py short 300)
