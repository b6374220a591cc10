# The web client inside the gateway: web/dist as one generated C file of gatewayd_node. Without web/dist a notice page.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB_RECURSE nexus_web_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/dist/*)
set(nexus_web_assets ${CMAKE_BINARY_DIR}/generated/web_assets.c)
add_custom_command(OUTPUT ${nexus_web_assets}
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/embed_assets.py ${CMAKE_SOURCE_DIR}/web/dist ${nexus_web_assets}
  DEPENDS ${CMAKE_SOURCE_DIR}/cmake/embed_assets.py ${nexus_web_files})
target_sources(gatewayd_node PRIVATE ${nexus_web_assets})
