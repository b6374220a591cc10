# Whole systems in virtual time: linked against engine/sim where the product links engine/io.
add_executable(sim_engine_test sim/engine_test.c lib/check.c)
target_link_libraries(sim_engine_test PRIVATE nexus_flags engine_sim PkgConfig::OPENSSL)
if(NEXUS_PLAIN_TESTS)
  target_compile_definitions(sim_engine_test PRIVATE NEXUS_PLAIN_TESTS)
else()
  target_link_libraries(sim_engine_test PRIVATE ${CRITERION_LIBRARY})
endif()
add_test(NAME sim.engine COMMAND sim_engine_test)
set_tests_properties(sim.engine PROPERTIES TIMEOUT 300 LABELS "sim;short")

# The product's daemons in one process. The linker gives each host a heap of its own and puts the database behind a disk
# that outlives control.
add_executable(chat_sim sim/chat_sim.c sim/chat_client.c sim/disk.c sim/heap.c)
target_link_libraries(chat_sim PRIVATE nexus_flags engine_sim gatewayd_node control_node control_store engine_sim PkgConfig::OPENSSL PkgConfig::ZLIB
  PkgConfig::SQLITE PkgConfig::ARGON2 Threads::Threads)
target_link_options(chat_sim PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free,--wrap=mmap
  -Wl,--wrap=munmap,--wrap=store_open)
# One thread and fifteen milliseconds a seed; some ten times that under a sanitizer.
set(chat_seeds 600)
if(NEXUS_SANITIZE)
  set(chat_seeds 100)
endif()
add_test(NAME sim.chat COMMAND chat_sim 1 ${chat_seeds})
add_test(NAME sim.chat_twice COMMAND chat_sim --twice 1 20)
add_test(NAME sim.chat_long COMMAND chat_sim 1000 10000)
# Seeds that once found something.
foreach(seed 20384 24994)
  add_test(NAME sim.chat_seed_${seed} COMMAND chat_sim ${seed} 1)
  set_tests_properties(sim.chat_seed_${seed} PROPERTIES TIMEOUT 60 LABELS "sim;short")
endforeach()
set_tests_properties(sim.chat sim.chat_twice PROPERTIES TIMEOUT 600 LABELS "sim;short")
set_tests_properties(sim.chat_long PROPERTIES TIMEOUT 7200 LABELS "sim;long")
